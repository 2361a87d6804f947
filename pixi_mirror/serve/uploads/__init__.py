"""Take uploads over HTTP: forms and files, checked before and after their bodies are read."""
