"""What neighbours may know of users. No Django."""
