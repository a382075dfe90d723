// Opens the documentation page of the server that is named first in a real browser that can reach
// nothing but this machine, looks for what only the rendered page shows, and tries a call with the
// token in the file that is named second, as a newcomer does.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Page } from "./browser.mjs";

const [url, tokenFile] = process.argv.slice(2);
const token = readFileSync(tokenFile, "utf8").trim();
const page = await Page.open(`${url}/docs`);

/** Presses Execute and waits for the answer to the call that it sent. */
async function execute(operation) {
  const before = page.requests.length;
  const sent = () => page.requests.slice(before).find((request) => request.method === "POST");
  await page.click(`${operation} .execute`);
  await page.until("the call is answered", () => sent()?.status);
  return sent();
}

try {
  const shown = () => page.value("document.body?.innerText ?? ''");
  for (const text of ["Creates a customer", "/customers/{customerId}", "Deactivates a customer"]) {
    await page.until(`the page shows ${text}`, async () => (await shown()).includes(text));
  }

  await page.click("button.authorize");
  const cursor = "document.activeElement.id";
  await page.until("the cursor is where the token goes", async () => (await page.value(cursor)) === "auth-bearer-value");
  await page.type(token);
  await page.click(".modal-ux .auth-btn-wrapper button.authorize");
  await page.click(".modal-ux .auth-btn-wrapper .btn-done");

  const create = "#operations-Customers-createCustomer";
  await page.click(`${create} .opblock-summary-control`);
  await page.click(`${create} .try-out__btn`);
  const tries = [await execute(create), await execute(create)];
  const keys = tries.map((one) => one.headers["Idempotency-Key"]);
  assert.deepEqual(tries.map((one) => one.status), [201, 201]);
  assert.notEqual(keys[0], keys[1], "a second try has a key of its own");
  for (const key of keys) assert.match(key, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);

  // A key that was typed in is sent as it is.
  const field = `${create} tr[data-param-name="Idempotency-Key"] input`;
  await page.click(field);
  await page.value("document.activeElement.select()");
  await page.type("typed-by-hand");
  await page.until("the key is typed", async () => (await page.value(`document.querySelector('${field}').value`)) === "typed-by-hand");
  const typed = [await execute(create), await execute(create)];
  assert.deepEqual(typed.map((one) => one.headers["Idempotency-Key"]), ["typed-by-hand", "typed-by-hand"]);
  assert.deepEqual(typed.map((one) => one.status), [201, 201]);

  const elsewhere = page.requests.filter((request) => !/^(data|blob):/.test(request.url) && !request.url.startsWith(`${url}/`));
  assert.deepEqual(elsewhere.map((request) => request.url), [], "the page asks nobody else");
} finally {
  await page.close();
}
