"""The gateway: sessions, WebSocket connections and events."""
