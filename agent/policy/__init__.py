"""The sharing policy for those who decide on it and those who enforce it: tables, exports, access lists."""
