//go:build !cpuprofile

package main

// startProfile does nothing: a production binary does not profile.
func startProfile() (stop func()) { return func() {} }
