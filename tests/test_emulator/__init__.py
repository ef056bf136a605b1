"""Tests of the emulator of TF Serving: that it does what the clients of `serving/backends` rely on."""
