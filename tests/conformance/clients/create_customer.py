"""Creates a customer with the client that openapi-generator's `python` makes."""

import os
import uuid

from openapi_client import ApiClient, AuthenticationApi, Configuration, CreateCustomer, Credentials, CustomersApi

base = os.environ["OMS_URL"] + "/v0.9"
key = Credentials(apiKey=os.environ["OMS_API_KEY"], apiSecret=os.environ["OMS_API_SECRET"])
token = AuthenticationApi(ApiClient(Configuration(host=base))).create_token(key)
api = CustomersApi(ApiClient(Configuration(host=base, access_token=token.access_token)))
ada = CreateCustomer(type="individual", firstName="Ada", ipAddress="203.0.113.7")
made = api.create_customer(str(uuid.uuid4()), ada)
assert api.get_customer(made.id).first_name == "Ada"
print(made.id, made.status.value)
