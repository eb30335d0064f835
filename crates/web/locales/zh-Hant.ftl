# 正體中文。每個鍵也在 en.ftl 裡；由測試比對。

skip-to-content = 跳到主要內容
nav-label = 您的頁面
nav-apps = 應用程式
nav-sessions = 登入狀態
sign-out = 登出
go-home = 前往您的伺服器
problem-code = 問題代碼
reference = 參考編號
details = 詳細資料
copy = 複製
copied = 已複製

sign-in-title = 登入
sign-in-again-title = 請確認是您本人
sign-in-again-text = 將您帶到這裡的程式要求您再登入一次。
username = 使用者名稱
password = 密碼
sign-in-button = 登入
sign-in-wrong = 使用者名稱或密碼錯誤。
sign-in-slowed = { $seconds ->
   *[other] 嘗試次數過多。請等候 { $seconds } 秒後再試。
}
sign-in-busy = 目前有許多人正在登入，請稍候幾秒再試。
sign-in-forgotten = 忘記密碼了嗎？管理員可以給您一個設定新密碼的連結。
signed-in-as = 登入身分
signed-out-title = 您已登出
signed-out-text = 您已連結的程式仍保持連結。若要中斷，請登入並開啟「應用程式」。

consent-title = { $client } 要求存取權
nameless-client = 未具名的程式
vouched-operator = 由您的管理員設定
vouched-publisher = 已驗證：{ $publisher }（{ $host }）
vouched-host = 由 { $host } 擔保這個程式
vouched-nobody = 未經驗證的程式
warn-loopback = 這個程式在電腦上執行，而該電腦上的任何程式都可能冒充它。只有在您剛剛親自啟動它時才允許。
warn-scheme = 將會開啟一個已安裝的應用程式。只有在您剛剛從該應用程式開始時才允許。
warn-unverified-site = 沒有人為這個程式擔保。您的同意將會送到 { $host }。只有在您認識這個網站時才允許。
consent-server = 伺服器：
consent-choose = 要讓它使用哪個伺服器？
consent-allows = 它將可以
scope-mcp = 在您的權限範圍內，以您的身分使用這個伺服器
scope-openid = 知道是您本人
scope-profile = 看到您的姓名與使用者名稱
scope-email = 看到您的電子郵件地址
scope-groups = 看到您的群組
scope-offline-access = 在您離開時保持連線
consent-goes-to = 瀏覽器將前往
kind-loopback = 這台電腦上的程式
kind-scheme = 這台裝置上的應用程式（{ $scheme }）
client-id = 用戶端
redirect-uri = 重新導向
redirect-uri-registered = 已註冊
consent-approve = 允許
consent-deny = 不允許
consent-elsewhere = 允許；程式在另一台機器上執行

back-title = 返回 { $client }
back-text = 您現在可以返回 { $client }。若沒有自動開啟，請使用下方按鈕。
back-unverified = 這個要求有誤，而且沒有人為這個程式擔保。按鈕會前往 { $host }。
back-to = 返回 { $client }
back-close = 之後可以關閉這個頁面。
elsewhere-title = 在 { $client } 完成
elsewhere-text = { $client } 正在它所執行的機器上等候一個網址。請在五分鐘內將網址貼到 { $client }，或在該機器上執行指令。
elsewhere-url = 網址
elsewhere-curl = 指令
elsewhere-warning = 這個網址會以您的名義給予存取權。只貼到您剛剛啟動的程式。

gone-title = 這個問題已經結束
gone-text = 它已經回答過，或等候太久了。請從您的程式重新開始。
stale-title = 這個表單已失效
stale-text = 它來自另一個頁面，或您的登入狀態在開啟後已改變。請重新開啟頁面再試一次。
unavailable-title = 請稍後再試
unavailable-text = 伺服器目前無法處理。沒有任何變更。
not-found-title = 這裡什麼都沒有
not-found-text = 網址可能打錯了。
endpoint-title = { $server } 是 MCP 伺服器
endpoint-text = 這個網址是給 Claude Code、VS Code 或 Cursor 等程式使用的。請在程式裡新增它，程式會請您登入。
endpoint-address = 網址

not-allowed-title = 您無權使用
not-allowed-server = 您沒有使用 { $server } 的權限。
not-allowed-any = 您目前還不能使用這裡的任何伺服器。
ask-contact = 請洽 { $contact }。
ask-administrator = 請洽您的管理員。

refused-title = 無法處理這個要求
refused-no-client = 程式沒有說明自己是誰。
refused-parameters = 程式送出了無法讀取的要求。
refused-unknown-client = 這裡不認識這個程式，或不再認識它。它必須重新連線。
refused-reset-any = 請在程式中移除這個伺服器，然後重新新增。
refused-disabled = 您的管理員已停用這個程式。
refused-client-url = 程式用來表明身分的網址無法使用。
refused-unverified = 無法查證這個程式對自己的說明。
refused-unverified-step = 請等候半分鐘再試。若再次發生，請告知您的管理員。
refused-not-allowed = 您的組織不允許這個程式。
refused-redirect-missing = 程式沒有說明要返回哪裡。
refused-redirect = 程式想要返回一個它沒有註冊的網址。

servers-title = 我的伺服器
servers-hello = 您好，{ $name }
servers-text = 您可以使用以下伺服器。將它加到您的程式，並在程式詢問時登入。
servers-none = 目前沒有開放給您的伺服器。請洽管理員將您加入。
servers-none-contact = 目前沒有開放給您的伺服器。請洽 { $contact } 將您加入。
add-to = 加到 { $client }
put-into = 將以下內容放入 { $file }：
run-this = 執行：

apps-title = 可以代表我的應用程式
apps-text = 以下每一個都能以您的名義使用伺服器。撤銷後立即失效。
apps-none = 目前沒有程式可以代表您。
apps-sign-in-only = 僅登入
apps-replaced = 已由較新的取代
apps-revoke = 撤銷
apps-revoke-label = 撤銷 { $client } 對 { $server } 的存取權
since-and-last-used = 自 { $since } 起，上次使用 { $used }

sessions-title = 我的登入狀態
sessions-text = 以下瀏覽器以您的身分登入。結束後該瀏覽器會登出；已連結的程式仍保持連結。
sessions-current = 目前的瀏覽器
sessions-end = 結束
sessions-end-label = 結束 { $browser } 的登入狀態
since-and-last-seen = 自 { $since } 起，上次出現 { $seen }
browser-unknown = 未知的瀏覽器

account-title = 我的帳號
email = 電子郵件
groups = 群組
groups-none = 無
password-title = 密碼
password-current = 目前的密碼
password-new = 新密碼
password-repeat = 再次輸入新密碼
password-rule = 至少 12 個字元。幾個只有您會聯想在一起的詞最容易記住。
password-change = 變更密碼
password-done = 密碼已變更。您的其他登入狀態已結束。
password-differs = 兩次輸入的新密碼不同。
password-short = 密碼太短：至少需要 12 個字元。
password-long = 密碼太長。
password-obvious = 這個密碼太容易猜到。
password-wrong = 目前的密碼錯誤。
invitation-title = 設定密碼
invitation-text = 您將以 { $username } 登入。
invitation-button = 設定密碼並登入
dead-link-title = 這個連結已失效
dead-link-text = 它已使用過、已過期，或已有較新的連結。請索取新的連結。

logout-title = 要登出嗎？
logout-asked = { $client } 要求將您登出。
logout-text = 您目前以 { $username } 登入。
logout-stay = 保持登入
