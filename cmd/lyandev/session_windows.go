package main

import "syscall"

// ownSession starts a process in its own group, so that the console's Ctrl-C does not reach it.
func ownSession() *syscall.SysProcAttr {
	const detachedProcess, newProcessGroup = 0x8, 0x200
	return &syscall.SysProcAttr{CreationFlags: detachedProcess | newProcessGroup}
}
