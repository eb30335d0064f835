// Pages work without this. It only makes "copy" buttons appear where copying is possible.
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
