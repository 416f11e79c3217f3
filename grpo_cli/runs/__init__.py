"""The run folder: what lies where, written so that a kill leaves every file readable."""
