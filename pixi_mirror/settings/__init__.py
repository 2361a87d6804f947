"""What the user has told pixi and us: configuration, credentials, proxies, certificates."""
