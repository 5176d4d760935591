"""The online part: maps a release into memory and answers requests for candidates."""
