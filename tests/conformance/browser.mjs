// A Chromium that is spoken to over two pipes in its DevTools protocol: what a person does with a
// page, by the mouse and the keyboard, and what the page sends.
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How long anything may take; machines of CI are slow. */
const PATIENCE_MS = 90_000;

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--window-size=1280,1000",
  // Nothing but this machine can be reached.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  "--remote-debugging-pipe",
];

export class Page {
  #waiting = new Map();
  #number = 0;
  #session;
  #browser;
  #profile = mkdtempSync(join(tmpdir(), "docs-"));
  #said = "";
  /** Every request that the page sent: url, method, headers and, once there is one, the status. */
  requests = [];

  static async open(url) {
    const page = new Page();
    page.#start();
    const { targetId } = await page.#send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await page.#send("Target.attachToTarget", { targetId, flatten: true });
    page.#session = sessionId;
    await page.#send("Network.enable");
    await page.#send("Page.enable");
    await page.#send("Page.navigate", { url });
    return page;
  }

  #start() {
    // A group of its own, which its helpers belong to.
    const pipes = { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"], detached: true };
    this.#browser = spawn("chromium", [...FLAGS, `--user-data-dir=${this.#profile}`], pipes);
    this.#browser.stderr.on("data", (text) => (this.#said += text));
    this.#browser.on("exit", () => {
      const gone = new Error(`the browser ended: ${this.#said.slice(-2000)}`);
      for (const { reject } of this.#waiting.values()) reject(gone);
    });
    let rest = "";
    this.#browser.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop();
      for (const message of messages) this.#hear(JSON.parse(message));
    });
  }

  #send(method, params = {}) {
    const id = ++this.#number;
    const message = { id, method, params, sessionId: this.#session };
    this.#browser.stdio[3].write(JSON.stringify(message) + "\0");
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #hear({ id, result, error, method, params }) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
    if (method === "Network.requestWillBeSent") {
      const { url, method: verb, headers } = params.request;
      this.requests.push({ id: params.requestId, url, method: verb, headers });
    }
    if (method === "Network.responseReceived") {
      const sent = this.requests.find((request) => request.id === params.requestId);
      if (sent) sent.status = params.response.status;
    }
  }

  /** What an expression is in the page. */
  async value(expression) {
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", options);
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.text}`);
    return result.value;
  }

  /** Waits until something is so. */
  async until(what, isSo) {
    const end = Date.now() + PATIENCE_MS;
    while (Date.now() < end) {
      if (await isSo()) return;
      await new Promise((resume) => setTimeout(resume, 100));
    }
    throw new Error(`in vain: ${what}`);
  }

  /** Presses the mouse on an element, once it is there. */
  async click(selector) {
    const element = `document.querySelector(${JSON.stringify(selector)})`;
    await this.until(`${selector} is there`, () => this.value(`!!${element}`));
    const { x, y } = await this.value(`(() => {
      ${element}.scrollIntoView({ block: "center", behavior: "instant" });
      const box = ${element}.getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    })()`);
    const mouse = { x, y, button: "left", clickCount: 1 };
    await this.#send("Input.dispatchMouseEvent", { ...mouse, type: "mousePressed" });
    await this.#send("Input.dispatchMouseEvent", { ...mouse, type: "mouseReleased" });
  }

  /** Types where the cursor is. */
  async type(text) {
    await this.#send("Input.insertText", { text });
  }

  async close() {
    const ended = new Promise((resolve) => this.#browser.once("exit", resolve));
    process.kill(-this.#browser.pid, "SIGKILL");
    await ended;
    // Its helpers may write for a moment longer.
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 50, retryDelay: 50 });
  }
}
