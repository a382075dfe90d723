// Creates a customer with the client that openapi-generator's `typescript-axios` makes.
import { AuthenticationApi, Configuration, CustomersApi } from "./axios-client";

const env = process.env as Record<string, string>;
const basePath = env.OMS_URL + "/v0.9";

async function main() {
  const sign = new AuthenticationApi(new Configuration({ basePath }));
  const token = await sign.createToken({ apiKey: env.OMS_API_KEY, apiSecret: env.OMS_API_SECRET });
  const api = new CustomersApi(new Configuration({ basePath, accessToken: token.data.accessToken }));
  const made = await api.createCustomer(crypto.randomUUID(), { type: "individual", firstName: "Ada" });
  console.log(made.data.id, made.data.status);
}

main();
