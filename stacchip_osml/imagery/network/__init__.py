"""Images behind HTTP and in object stores."""
