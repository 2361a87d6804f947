"""The user's settings for pixi and for us: configuration, credentials, proxies, certificates."""
