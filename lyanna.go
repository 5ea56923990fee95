// Package lyandev embeds the stack file of the repository's root, for `lyandev examples`.
package lyandev

import _ "embed"

// LyannaFile is lyanna.dev.yaml.
//
//go:embed lyanna.dev.yaml
var LyannaFile []byte
