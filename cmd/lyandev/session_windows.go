package main

import "syscall"

// ownSession takes a process out of the console's reach.
func ownSession() *syscall.SysProcAttr {
	const detachedProcess, newProcessGroup = 0x8, 0x200
	return &syscall.SysProcAttr{CreationFlags: detachedProcess | newProcessGroup}
}
