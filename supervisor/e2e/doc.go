// Package e2e holds the tests that run the binary against a real Docker engine: that what the rules say, as the packages'
// own tests prove it in virtual time, is what a developer sees. The package itself is empty.
package e2e
