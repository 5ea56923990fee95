// Package compat compares lyandev with Docker Compose: its tests run small Compose files with both, one after the other, and
// compare the containers, networks and volumes, and what a process inside sees. The package itself is empty.
//
// A case is a file of testdata: a comment, the Compose file and the files beside it (see case_test.go). Differences that are
// meant are the rows of the table in meant_test.go.
//
//	go test ./supervisor/compat -run TestCompat/NAME             one case
//	go test ./supervisor/compat -run TestCompat/NAME -truth -v   only Compose; prints what was collected
//	go test ./supervisor/compat -run TestCompat/NAME -self       Compose on both sides: shows what is noise
//	go test ./supervisor/compat -run TestCompat/ -first          all cases, only the first step of each
//	go test ./supervisor/compat -run TestEngineRestart/NAME      one case on an engine that is restarted
//	make compat                                                  everything, on this engine and on a newer one
package compat
