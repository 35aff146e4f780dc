"""Read by Django through FORMAT_MODULE_PATH."""

# As in the logs, and UTC like them: an operator compares seconds, and sorts by eye.
DATETIME_FORMAT = "Y-m-d H:i:s"
