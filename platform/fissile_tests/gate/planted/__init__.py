"""Sources of small projects with ties between their contexts, and of look-alikes without one, by channel."""
