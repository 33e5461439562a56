"""trizmq, with one await per message, or whole batches where the settings say so."""
