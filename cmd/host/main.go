package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/seedbed/seedbed/abi/plugin/config"
	"github.com/spf13/cobra"
)

func main() { os.Exit(host()) }

// Exit codes besides 0.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells give for SIGINT
)

// host returns 0, 1 after a failure, 2 where the command line or the recipe is
// wrong, and 130 where the command was interrupted.
func host() int {
	ctx, signals := interruptible()
	defer signals.close()
	err := newRoot().ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case signals.interrupted():
		fmt.Fprintln(os.Stderr, "host: interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(os.Stderr, "host:", err)
	if isUsage(err) {
		return exitUsage
	}
	return exitFailure
}

// usageError is a mistake in the command line or a recipe.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// misused says what is wrong with how a command was called.
func misused(cmd *cobra.Command, err error) error {
	if cmd.HasParent() {
		path := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
		err = fmt.Errorf("%s: %w", path, err)
	}
	return usagef("%w; see %s --help", err, cmd.CommandPath())
}

// args turns the errors of cobra's checks of arguments into usage errors.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		err := check(cmd, a)
		if err == nil {
			return nil
		}
		if len(a) > 0 && cmd.HasSubCommands() {
			err = fmt.Errorf("there is no command %q", a[0])
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			if near := config.Nearest(a[0], names); near != "" {
				err = fmt.Errorf("%w: did you mean %s?", err, near)
			}
		}
		return misused(cmd, err)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "host",
		Short: "Pretrain and fine-tune neural networks out of plugins",
		Long: "Pretrain and fine-tune neural networks out of plugins.\n\n" +
			"Exit codes: 0 done, 1 failure, 2 the command line or the recipe is wrong, 130 interrupted.",
		Example:       "  host pretrain\n  host generate 'func main() {'\n  host doctor",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          args(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(misused)
	root.AddCommand(newPretrain(), newEvaluate(), newGenerate(), newCheckpoint(), newConformance(), newPlugin(), newDoctor(), newRecipe(), newProfile(), newTokenizer(), newVersion())
	return root
}

// group is a command that only has commands below it.
func group(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Example: example, Args: args(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		return misused(cmd, errors.New("it needs one of its commands"))
	}}
	c.AddCommand(commands...)
	return c
}
