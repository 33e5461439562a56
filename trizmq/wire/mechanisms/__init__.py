"""The security mechanisms of ZMTP, each a small state machine of commands."""
