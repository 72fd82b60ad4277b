package main

import "github.com/spf13/cobra"

// root is the table of contents.
func (p *program) root() *cobra.Command {
	root := group(page{
		use: "remuda", short: "Run tasks on machines that you host anywhere",
		long:    "Run tasks on machines that you host anywhere: a control plane queues them, runners claim and carry them out.",
		example: "remuda run --local examples/hello.yml\nremuda up\nremuda run -f build.yml\nremuda task list --state running",
	})
	root.AddGroup(
		&cobra.Group{ID: "work", Title: "run jobs"},
		&cobra.Group{ID: "host", Title: "host Remuda"},
		&cobra.Group{ID: "block", Title: "building blocks"},
		&cobra.Group{ID: "noun", Title: "manage"},
		&cobra.Group{ID: "more", Title: "more"},
	)
	root.SetCompletionCommandGroupID("more")
	root.SetHelpCommandGroupID("more")
	for id, commands := range map[string][]*cobra.Command{
		"work":  {p.runCommand(), p.tasks()},
		"host":  {p.upCommand(), p.serverCommand(), p.runnerCommand(), p.admin()},
		"block": {p.definitions(), p.blocks(), p.states(), p.integrations(), p.tenants(), p.runnerEntries()},
		"noun":  {p.organizations(), p.namespaces(), p.projects(), p.resourceClasses(), p.tokens(), p.events()},
		"more":  {p.loginCommand(), p.whoamiCommand(), p.openapiCommand(), p.versionCommand()},
	} {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	return root
}
