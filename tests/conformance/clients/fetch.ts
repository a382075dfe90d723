// Creates a customer with `openapi-fetch` and the types of `openapi-typescript`, and tells events apart.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const env = process.env as Record<string, string>;
const baseUrl = env.OMS_URL + "/v0.9";
const key = { apiKey: env.OMS_API_KEY, apiSecret: env.OMS_API_SECRET };
const { data: token } = await createClient<paths>({ baseUrl }).POST("/auth/token", { body: key });
const headers = { Authorization: `Bearer ${token!.accessToken}` };
const { data, error } = await createClient<paths>({ baseUrl, headers }).POST("/customers", {
  params: { header: { "Idempotency-Key": crypto.randomUUID() } },
  body: { type: "individual", firstName: "Ada", ipAddress: "203.0.113.7" },
});
if (error) throw new Error(error.code);
console.log(data.id, data.status);

export function about(told: components["schemas"]["WebhookPayload"]): string {
  return told.event === "webhook.test" ? told.data.url : (told.data.firstName ?? told.data.id);
}
