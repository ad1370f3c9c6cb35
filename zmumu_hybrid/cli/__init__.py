"""The command line `zmumu`: each module parses one command, calls one public function and says what was written."""
