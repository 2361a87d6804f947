"""The page that shows people what a mirror holds."""
