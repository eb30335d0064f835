# English. Every key stands in zh-Hant.ftl too; a test compares them.

skip-to-content = Skip to content
nav-label = Your pages
nav-apps = Apps
nav-sessions = Sessions
sign-out = Sign out
go-home = Go to your servers
problem-code = Problem
reference = Reference
details = Details
copy = Copy
copied = Copied

sign-in-title = Sign in
sign-in-again-title = Confirm that it is you
sign-in-again-text = The program that sent you here asks you to sign in once more.
username = Username
password = Password
sign-in-button = Sign in
sign-in-wrong = The username or password is wrong.
sign-in-slowed = { $seconds ->
    [one] There were too many attempts. Wait one second and try again.
   *[other] There were too many attempts. Wait { $seconds } seconds and try again.
}
sign-in-busy = Many people are signing in at this moment. Wait a few seconds and try again.
sign-in-forgotten = Forgotten your password? Your administrator can give you a link to set a new one.
signed-in-as = Signed in as
signed-out-title = You are signed out
signed-out-text = Programs that you have connected stay connected. To disconnect one, sign in and open “Apps”.

consent-title = { $client } wants access
nameless-client = An unnamed program
vouched-operator = Set up by your administrator
vouched-publisher = Verified: { $publisher } ({ $host })
vouched-host = { $host } vouches for this program
vouched-nobody = Unverified program
warn-loopback = This program runs on a computer, and any program there can pretend to be it. Approve only if you have just started it yourself.
warn-scheme = An installed app will be opened. Approve only if you have just started this from that app.
warn-unverified-site = Nobody vouches for this program. Your approval will be sent to { $host }. Approve only if you know this site.
consent-server = Server:
consent-choose = Which server should it use?
consent-allows = It will be able to
scope-mcp = use this server as you, as far as you are allowed to
scope-openid = know that it is you
scope-profile = see your name and username
scope-email = see your email address
scope-groups = see your groups
scope-offline-access = stay connected while you are away
consent-withholds = It asks for this too, which is of no use to you
consent-goes-to = Your browser goes to
kind-loopback = a program on this computer
kind-scheme = an app on this device ({ $scheme })
client-id = Client
redirect-uri = Redirect
redirect-uri-registered = Registered
consent-approve = Allow
consent-deny = Do not allow
consent-elsewhere = Allow; the program runs on another machine

back-title = Back to { $client }
back-text = You can go back to { $client } now. If it does not open by itself, use the button.
back-unverified = The request had a mistake in it, and nobody vouches for this program. The button leads to { $host }.
back-to = Return to { $client }
back-close = You can close this page afterwards.
elsewhere-title = Finish in { $client }
elsewhere-text = { $client } waits for an address on the machine where it runs. Paste the address into { $client }, or run the command on that machine, within five minutes.
elsewhere-url = Address
elsewhere-curl = Command
elsewhere-warning = This address gives access in your name. Paste it only into the program that you have just started.

gone-title = This question is no longer open
gone-text = It was answered already, or it waited for too long. Start again from your program.
stale-title = This form is no longer valid
stale-text = It came from another page, or your sign-in has changed since you opened it. Open the page again and repeat what you did.
unavailable-title = Please try again in a moment
unavailable-text = The server cannot do this right now. Nothing was changed.
not-found-title = There is nothing here
not-found-text = The address may be mistyped.
endpoint-title = { $server } is an MCP server
endpoint-text = This address is for programs such as Claude Code, VS Code or Cursor. Add it there; the program will then ask you to sign in.
endpoint-address = Address

not-allowed-title = You may not use this
not-allowed-server = You are not allowed to use { $server }.
not-allowed-any = You are not allowed to use any server here yet.
ask-contact = Please ask { $contact }.
ask-administrator = Please ask your administrator.

refused-title = This request cannot be handled
refused-no-client = The program did not say who it is.
refused-parameters = The program sent a request that cannot be read.
refused-unknown-client = This program is not known here, or no longer. It has to connect anew.
refused-reset-any = In the program, remove this server and add it again.
refused-disabled = Your administrator has disabled this program.
refused-client-url = The program names itself with an address that cannot be used.
refused-unverified = What this program says about itself could not be checked.
refused-unverified-step = Wait half a minute and try again. If it happens again, tell your administrator.
refused-not-allowed = Your organisation does not allow this program.
refused-redirect-missing = The program did not say where to return to.
refused-redirect = The program wants to return to an address that it has not registered.

servers-title = My servers
servers-hello = Hello, { $name }
servers-text = These servers are open to you. Add one to your program and sign in when it asks.
servers-none = No server is open to you yet. Ask your administrator to add you.
servers-none-contact = No server is open to you yet. Ask { $contact } to add you.
add-to = Add to { $client }
put-into = Put this into { $file }:
run-this = Run this:

apps-title = Apps that can act as me
apps-text = Each of these can use a server in your name. What you revoke stops working at once.
apps-none = No program can act as you at this moment.
apps-sign-in-only = sign-in only
apps-replaced = replaced by a newer one
apps-revoke = Revoke
apps-scopes = May also: { $scopes }
apps-widen = Allow more
apps-widen-label = Allow more: { $client } on { $server }
widen-title = { $client } wants to do more
widen-own-title = What { $client } may do
widen-server = Server
widen-text = Allow it only if you asked for something that needs it. It counts at once; you can end it under “Apps that can act as me”.
widen-choose = { $client } will also be able to
widen-held = It is already able to
widen-none = There is nothing more that you could allow it.
widened-title = Allowed
widened-text = { $client } can do this on { $server } from now on. Go back and try again.
widen-gone-title = There is nothing to allow here
widen-gone-text = You are signed in as { $username }, and no such program is connected as you. If it is connected as another of your accounts, sign out and open the address again; if not, start again in the program.
apps-revoke-label = Revoke { $client } for { $server }
since-and-last-used = Since { $since }, last used { $used }

sessions-title = Where I am signed in
sessions-text = These browsers are signed in as you. Ending one signs it out; connected programs stay connected.
sessions-current = this browser
sessions-end = End
sessions-end-label = End the session in { $browser }
since-and-last-seen = Since { $since }, last seen { $seen }
browser-unknown = Unknown browser

account-title = My account
email = Email
groups = Groups
groups-none = none
password-title = Password
password-current = Current password
password-new = New password
password-repeat = New password again
password-rule = At least 12 characters. A few words that belong together only for you are easiest to remember.
password-change = Change password
password-done = Your password is changed. Your other sessions have ended.
password-differs = The two new passwords differ.
password-short = The password is too short: at least 12 characters.
password-long = The password is too long.
password-obvious = This password is too easy to guess.
password-wrong = The current password is wrong.
invitation-title = Choose a password
invitation-text = You will sign in as { $username }.
invitation-button = Set password and sign in
dead-link-title = This link does not work any more
dead-link-text = It was used, has run out, or a newer one was made. Ask for a new one.

logout-title = Sign out?
logout-asked = { $client } asks to sign you out here.
logout-text = You are signed in as { $username }.
logout-stay = Stay signed in
