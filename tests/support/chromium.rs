//! A headless Chromium, driven over the DevTools protocol as a person would: keys, clicks on what is visible, and looking.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::required;

/// How long the browser may take to answer one call, beyond what the call itself waits for.
const CALL_PATIENCE: Duration = Duration::from_secs(30);
/// The protocol's ways of telling that something went wrong in the page.
const COMPLAINTS: [&str; 3] = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];

/// A running browser with a profile of its own. Dropping it ends the process.
pub struct Chromium {
    child: Child,
    endpoint: String,
    _profile: TempDir,
}

impl Chromium {
    /// Starts one; none when it is not installed.
    pub fn start() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let found = env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
        let Some(program) = found.into_iter().find(|file| file.is_file()) else {
            required::missing("chromium", "Install Chromium, so that `chromium` is on the PATH.");
            return None;
        };
        let profile = TempDir::new().unwrap();
        let mut child = Command::new(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let endpoint = told.find_map(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned));
        // What else it says is of no interest, but a full pipe would stop it.
        thread::spawn(move || told.for_each(drop));
        let endpoint = endpoint.unwrap_or_else(|| panic!("Chromium did not start: {:?}", child.wait()));
        Some(Self { child, endpoint, _profile: profile })
    }

    /// Opens a page of this size in CSS pixels.
    pub async fn open(&self, url: &str, (width, height): (u32, u32)) -> Page {
        let (socket, _) = connect_async(&self.endpoint).await.unwrap();
        let mut page = Page { socket, session: None, last_id: 0, complaints: Vec::new() };
        let target = page.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = page.call("Target.attachToTarget", attach).await;
        page.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        page.resize((width, height)).await;
        page.theme("light").await;
        page.call("Page.navigate", json!({"url": url})).await;
        page
    }

    /// Ends the browser as a person would, so that it leaves nothing behind.
    pub async fn close(&mut self, mut page: Page) {
        page.session = None;
        page.call("Browser.close", json!({})).await;
        let _ = self.child.wait();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page in the browser.
pub struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    last_id: u64,
    complaints: Vec<String>,
}

impl Page {
    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.call_within(CALL_PATIENCE, method, params).await
    }

    async fn call_within(&mut self, limit: Duration, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut call = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        let answering = async {
            self.socket.send(Message::text(call.to_string())).await.unwrap();
            loop {
                let message = self.socket.next().await.expect("Chromium is gone").unwrap();
                let Message::Text(text) = message else { continue };
                let told: Value = serde_json::from_str(&text).unwrap();
                if told["id"] == call["id"] {
                    assert!(told["error"].is_null(), "{method}: {}", told["error"]);
                    return told["result"].clone();
                }
                note_complaint(&told, &mut self.complaints);
            }
        };
        match tokio::time::timeout(limit, answering).await {
            Ok(answer) => answer,
            Err(_) => panic!("Chromium did not answer {method} in {limit:?}"),
        }
    }

    /// What went wrong in the page so far: exceptions, failed loads, errors on the console.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// The value of an expression, which may be a promise.
    pub async fn value(&mut self, expression: &str) -> Value {
        self.value_within(CALL_PATIENCE, expression).await
    }

    async fn value_within(&mut self, limit: Duration, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let told = self.call_within(limit, "Runtime.evaluate", params).await;
        assert!(told["exceptionDetails"].is_null(), "{expression}: {}", told["exceptionDetails"]);
        told["result"]["value"].clone()
    }

    /// Waits until an expression is true or otherwise a value, and returns it. Past `limit`, fails with what the page
    /// shows.
    pub async fn until_within(&mut self, limit: Duration, what: &str, expression: &str) -> Value {
        let millis = limit.as_millis();
        let watching = format!(
            "new Promise((resolve) => {{
                const end = performance.now() + {millis};
                const look = () => {{
                    const seen = ({expression});
                    if (seen) resolve(seen);
                    else if (performance.now() > end) resolve(null);
                    else setTimeout(look, 30);
                }};
                look();
            }})"
        );
        let seen = self.value_within(limit + CALL_PATIENCE, &watching).await;
        if seen.is_null() {
            let picture = pictures().join("failed.png");
            self.picture(&picture).await;
            let shown = self.value("document.body.innerText").await;
            let shown = shown.as_str().unwrap_or_default();
            panic!("not seen in {limit:?}: {what}. See {}. The page shows:\n{shown}", picture.display());
        }
        seen
    }

    /// Waits until the element that `selector` finds holds `text`.
    pub async fn until_text(&mut self, limit: Duration, selector: &str, text: &str) {
        let (quoted, wanted) = (json!(selector), json!(text));
        let holds = format!("[...document.querySelectorAll({quoted})].some((one) => one.innerText.includes({wanted}))");
        self.until_within(limit, &format!("{text:?} in {selector}"), &holds).await;
    }

    /// The text of the element that `selector` finds, as it is drawn.
    pub async fn text(&mut self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({})?.innerText", json!(selector))).await;
        text.as_str().unwrap_or_else(|| panic!("there is no {selector}")).to_owned()
    }

    /// Clicks the middle of an element, once it stands still with nothing in front of it.
    pub async fn click(&mut self, selector: &str) {
        let quoted = json!(selector);
        // A page that moves under the pointer takes the click elsewhere; then it is clicked again.
        for _ in 0..5 {
            let place = format!(
                "(() => {{
                    const one = document.querySelector({quoted});
                    if (!one || one.disabled) return null;
                    let box = one.getBoundingClientRect();
                    if (box.top < 0 || box.left < 0 || box.bottom > innerHeight || box.right > innerWidth) {{
                        one.scrollIntoView({{ block: 'center', inline: 'nearest' }});
                        box = one.getBoundingClientRect();
                    }}
                    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
                    const still = window.lastPlace === `${{x}}/${{y}}`;
                    window.lastPlace = `${{x}}/${{y}}`;
                    if (!still || !one.contains(document.elementFromPoint(x, y))) return null;
                    window.landed = undefined;
                    document.addEventListener('click', (event) => {{ window.landed = one.contains(event.target); }},
                        {{ capture: true, once: true }});
                    return [x, y];
                }})()"
            );
            let at = self.until_within(CALL_PATIENCE, &format!("{selector}, to click on it"), &place).await;
            for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
                let params = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
                self.call("Input.dispatchMouseEvent", params).await;
            }
            if self.value("window.landed").await == json!(true) {
                return;
            }
        }
        panic!("{selector} does not stand still");
    }

    /// Clicks on a text box and types into it, key by key.
    pub async fn types(&mut self, selector: &str, text: &str) {
        self.click(selector).await;
        for character in text.chars() {
            let key = character.to_string();
            self.call("Input.dispatchKeyEvent", json!({"type": "keyDown", "key": key, "text": key})).await;
            self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key})).await;
        }
    }

    /// Presses Enter.
    pub async fn enter(&mut self) {
        let key =
            json!({"type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"});
        self.call("Input.dispatchKeyEvent", key).await;
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": "Enter", "code": "Enter"})).await;
    }

    /// Makes the window this large.
    pub async fn resize(&mut self, (width, height): (u32, u32)) {
        let params = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", params).await;
    }

    /// What the system prefers: `light` or `dark`.
    pub async fn theme(&mut self, theme: &str) {
        // Without motion, a picture shows no moment between two states.
        let features = json!([
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// Keeps what the page looks like now.
    pub async fn picture(&mut self, file: &Path) {
        let told = self.call("Page.captureScreenshot", json!({"format": "png"})).await;
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, from_base64(told["data"].as_str().unwrap())).unwrap();
        println!("a picture is in {}", file.display());
    }
}

/// Where pictures are kept.
pub fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser")
}

fn note_complaint(told: &Value, complaints: &mut Vec<String>) {
    let (Some(method), params) = (told["method"].as_str(), &told["params"]) else { return };
    let harmless = match method {
        "Runtime.consoleAPICalled" => params["type"] != "error" && params["type"] != "assert",
        "Log.entryAdded" => params["entry"]["level"] != "error",
        _ => false,
    };
    if COMPLAINTS.contains(&method) && !harmless {
        complaints.push(format!("{method}: {params}"));
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in text.bytes().filter(|&digit| digit != b'=') {
        let value = ALPHABET.iter().position(|&one| one == digit).expect("base64");
        bits = bits << 6 | u32::try_from(value).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}
