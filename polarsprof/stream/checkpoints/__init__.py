"""What of a stream is durable, and when."""
