package machine

import (
	"errors"
	"log/slog"
)

// account is who runs the agents: here always the runner's own user.
type account struct{ byPrefix bool }

func agentAccount(config Config, _ *slog.Logger) (account, error) {
	if config.User != "" {
		return account{}, errors.New("on Windows tasks run as the runner's own user")
	}
	return account{}, nil
}

func (account) own(string) error        { return nil }
func (account) canPass(string) error    { return nil }
func (account) canExecute(string) error { return nil }
