// Pages work without this, but for passkeys, which browsers have for scripts alone. It makes "copy" and "print" buttons appear
// where they are of use.
"use strict";
for (const button of document.querySelectorAll("button[data-copy]")) {
  const code = button.closest(".copy")?.querySelector("code");
  if (!code || !navigator.clipboard) continue;
  button.hidden = false;
  const label = button.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = button.dataset.copy;
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}
for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

// Passkeys. A form fetches its challenge when it is sent, and goes on with what the browser answers; what goes wrong at the
// door is a page, which the form gets without an answer.
const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function challenge(form) {
  const body = new URLSearchParams({ token: form.elements.token.value });
  const answer = await fetch(form.dataset.begin, { method: "POST", body });
  if (!answer.ok) return undefined;
  const { ceremony, options } = await answer.json();
  options.challenge = toBytes(options.challenge);
  if (options.user) options.user.id = toBytes(options.user.id);
  for (const list of [options.excludeCredentials, options.allowCredentials]) {
    for (const credential of list ?? []) credential.id = toBytes(credential.id);
  }
  return { ceremony, publicKey: options };
}

function readable(credential) {
  const { response } = credential;
  const of = { clientDataJSON: toText(response.clientDataJSON) };
  if (response.attestationObject) {
    of.attestationObject = toText(response.attestationObject);
    if (response.getTransports) of.transports = response.getTransports();
  } else {
    of.authenticatorData = toText(response.authenticatorData);
    of.signature = toText(response.signature);
    of.userHandle = response.userHandle ? toText(response.userHandle) : null;
  }
  return JSON.stringify({ id: credential.id, rawId: toText(credential.rawId), type: credential.type, response: of });
}

function send(form, ceremony, credential) {
  form.elements.ceremony.value = ceremony;
  form.elements.credential.value = readable(credential);
  form.submit();
}

// What the browser offers while somebody fills in their name; a click on a button takes its place.
let offer;
async function offerPasskeys(form) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  offer = new AbortController();
  const { signal } = offer;
  const begun = await challenge(form).catch(() => undefined);
  if (!begun || signal.aborted) return;
  // A challenge is good for five minutes.
  setTimeout(() => { if (!signal.aborted) { offer.abort(); offerPasskeys(form); } }, 240_000);
  try {
    const { ceremony, publicKey } = begun;
    const credential = await navigator.credentials.get({ publicKey, signal, mediation: "conditional" });
    if (credential) send(form, ceremony, credential);
  } catch { /* Nobody took the offer. */ }
}

if (window.PublicKeyCredential && navigator.credentials) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    const failed = form.querySelector("[data-failed]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      offer?.abort();
      if (failed) failed.hidden = true;
      const begun = await challenge(form).catch(() => undefined);
      if (!begun) return form.submit();
      const { ceremony, publicKey } = begun;
      try {
        const credential = await navigator.credentials[form.dataset.passkey]({ publicKey });
        send(form, ceremony, credential);
      } catch {
        if (failed) failed.hidden = false;
      }
    });
    if (form.hasAttribute("data-offer")) offerPasskeys(form);
  }
}
