"""The gateway: sessions, websockets and events."""
