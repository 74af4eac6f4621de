"""One file a Lambda function: thin handlers over the API and the domain."""
