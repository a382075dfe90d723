"use strict";

// The key that the document shows for each call is an example: a try gets a fresh one in its place, so
// that the second try is not a retry of the first. A key that was typed in stays.
const exampleKeys = new Set();

function noteExampleKeys(document) {
  for (const item of Object.values(document.paths)) {
    for (const call of Object.values(item)) {
      for (const parameter of call.parameters || []) {
        if (parameter.name === "Idempotency-Key") exampleKeys.add(parameter.example);
      }
    }
  }
}

// crypto.randomUUID is there over https and on this machine only; this is everywhere.
function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function renewKey(request) {
  const headers = request.headers || {};
  if (exampleKeys.has(headers["Idempotency-Key"])) headers["Idempotency-Key"] = freshKey();
  return request;
}

// The dialog of Authorize lists the provider's signature too: the cursor goes to the token.
function focusToken() {
  const token = document.getElementById("auth-bearer-value");
  if (token && !token.dataset.found) {
    token.dataset.found = "yes";
    token.focus();
  }
}

new MutationObserver(() => requestAnimationFrame(focusToken)).observe(document.getElementById("page"), {
  childList: true,
  subtree: true,
});

fetch("/openapi.json")
  .then((answer) => answer.json())
  .then((spec) => {
    noteExampleKeys(spec);
    // validatorUrl: null keeps the page from asking a server elsewhere.
    SwaggerUIBundle({
      spec,
      dom_id: "#page",
      deepLinking: true,
      defaultModelsExpandDepth: 0,
      displayRequestDuration: true,
      persistAuthorization: false,
      requestInterceptor: renewKey,
      validatorUrl: null,
    });
  });
