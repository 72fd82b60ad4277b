//go:build !linux

package machine

import "log/slog"

// uids are of Linux: elsewhere the processes of a user are not found.
type uids struct{}

func ownUsers(Config) bool                          { return false }
func someTask() account                             { return account{} }
func openUIDs(Config, *slog.Logger) (*uids, error)  { return nil, nil }
func (*uids) take(string) (uint32, error)           { return 0, nil }
func (*uids) pass(string, string)                   {}
func (*uids) release(string)                        {}
func (*uids) close() error                          { return nil }
func (e *Executor) accountOf(place, record) account { return e.account }
func (place) writePasswd(account) error             { return nil }
func closeWorkspace(string, uint32) error           { return nil }
func (account) uidOfTask() uint32                   { return 0 }
