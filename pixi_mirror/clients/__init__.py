"""What each client has to be told to use a served mirror, and how that goes into its own configuration file."""
