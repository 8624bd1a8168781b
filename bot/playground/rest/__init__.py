"""The REST API: request handlers, rate limits, validation and serializers."""
