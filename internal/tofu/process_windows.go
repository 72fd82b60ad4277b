package tofu

import "syscall"

func signalOf(syscall.WaitStatus) string { return "" }
