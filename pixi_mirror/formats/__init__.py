"""What the specifications say, as pure functions of bytes and values; sole keeper of YAML and of the words of conda."""
