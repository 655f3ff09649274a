package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

func (a *app) webhooksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhooks",
		Short: "Send events to addresses of your own",
		Long: `Adds, lists, tests and deletes webhooks: addresses to which events are sent. Your own key
needs the scope admin.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.webhooksAdd(), a.webhooksList(), a.webhooksTest(), a.webhooksState("pause", api.WebhookPaused, "Stop sending events; they are kept for later"),
		a.webhooksState("resume", api.WebhookActive, "Go on sending events, also to a dead webhook"),
		a.webhooksRotate(), a.webhooksDeliveries(), a.webhooksReplay(), a.webhooksDelete())
	return cmd
}

// webhookOf returns the webhook of a command's arguments, and the server's client.
func (a *app) webhookOf(args []string) (int64, *client.Client, error) {
	id, err := webhookID(args)
	if err != nil {
		return 0, nil, err
	}
	c, err := a.client()
	return id, c, err
}

// webhookID reads the id of a webhook in the arguments.
func webhookID(args []string) (int64, error) {
	id, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || id < 1 {
		return 0, usageError{fmt.Errorf("%q is not the id of a webhook; see rollcall webhooks list", args[0])}
	}
	return id, nil
}

func (a *app) webhooksAdd() *cobra.Command {
	var types []string
	var file string
	cmd := &cobra.Command{
		Use:   "add NAME URL",
		Short: "Add a webhook and write its secret into a file",
		Long: `Adds a webhook, which gets the events from now on. Its secret checks the signatures of what
it gets. It is shown this once: it is written into the file of --out, which only you can
read and which must not be there yet. It is never printed.`,
		Example: `  rollcall webhooks add badges https://badges.example.com/rollcall --types image.answered,image.changed --out badges.secret`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			want := api.WebhookRequest{Name: args[0], URL: args[1]}
			for _, t := range types {
				want.Types = append(want.Types, api.EventType(t))
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			return a.withSecret(file, func() (api.CreatedWebhook, error) { return c.CreateWebhook(cmd.Context(), want) })
		},
	}
	cmd.Flags().StringSliceVar(&types, "types", nil, "only these types, such as image.answered; without them, all")
	cmd.Flags().StringVar(&file, "out", "", "`file` to write the secret into")
	_ = cmd.RegisterFlagCompletionFunc("types", cobra.FixedCompletions(words(eventTypes), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// withSecret opens the file first: a secret that cannot be written is of no use.
func (a *app) withSecret(file string, get func() (api.CreatedWebhook, error)) error {
	if file == "" {
		return usageError{errors.New("name the file for the secret by --out")}
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make the file of the secret: %w", err)
	}
	w, err := get()
	if err != nil {
		return errors.Join(err, out.Close(), os.Remove(file))
	}
	_, err = out.WriteString(w.Secret + "\n")
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("write the secret of webhook %d, which you should rotate: %w", w.ID, err)
	}
	return a.show(w.Webhook, func(to io.Writer) { fmt.Fprintf(to, "The secret of webhook %d is in %s.\n", w.ID, file) })
}

func (a *app) webhooksList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List webhooks and how they are doing",
		Example: "  rollcall webhooks list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := c.ListWebhooks(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(map[string]any{"webhooks": list}, func(w io.Writer) {
				table(w, "ID STATE DELIVERED FAILURES TYPES NAME URL", func(row func(...any)) {
					for _, h := range list {
						types := "all"
						if len(h.Types) > 0 {
							types = strings.Join(words(h.Types), ",")
						}
						row(h.ID, h.State, h.Delivered, h.Failures, types, h.Name, h.URL)
					}
				})
			})
		},
	}
}

func (a *app) webhooksTest() *cobra.Command {
	return &cobra.Command{
		Use:     "test ID",
		Short:   "Send a test message now",
		Example: "  rollcall webhooks test 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, c, err := a.webhookOf(args)
			if err != nil {
				return err
			}
			d, err := c.TestWebhook(cmd.Context(), id)
			if err != nil {
				return err
			}
			if err := a.show(d, func(w io.Writer) { writeDelivery(w, d) }); err != nil || d.OK {
				return err
			}
			return code(ExitFailed)
		},
	}
}

func writeDelivery(w io.Writer, d api.Delivery) {
	how := "taken"
	if !d.OK {
		how = "failed: " + d.Problem
	}
	fmt.Fprintln(w, clean(fmt.Sprintf("%s %s %s status %d %.3f s %s", d.CreatedAt.Local().Format("2006-01-02 15:04:05"), d.Message, d.Type, d.Status, d.Seconds, how)))
}

func (a *app) webhooksState(name string, state api.WebhookState, short string) *cobra.Command {
	return &cobra.Command{
		Use:     name + " ID",
		Short:   short,
		Example: "  rollcall webhooks " + name + " 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := webhookID(args)
			if err != nil {
				return err
			}
			return a.changedWebhook(cmd.Context(), func(ctx context.Context) (api.Webhook, error) {
				c, err := a.client()
				if err != nil {
					return api.Webhook{}, err
				}
				return c.ChangeWebhook(ctx, id, api.WebhookChange{State: &state})
			})
		},
	}
}

func (a *app) changedWebhook(ctx context.Context, change func(context.Context) (api.Webhook, error)) error {
	h, err := change(ctx)
	if err != nil {
		return err
	}
	return a.show(h, func(w io.Writer) {
		fmt.Fprintf(w, "Webhook %d is %s; it goes on after event %d.\n", h.ID, h.State, h.Delivered)
	})
}

func (a *app) webhooksRotate() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Give a webhook a new secret",
		Long: `Gives a webhook a new secret, which is written into the file of --out. For 24 hours its
messages are signed by both secrets, so that the target can take its time.`,
		Example: "  rollcall webhooks rotate 3 --out badges-2.secret",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, c, err := a.webhookOf(args)
			if err != nil {
				return err
			}
			return a.withSecret(file, func() (api.CreatedWebhook, error) { return c.RotateWebhook(cmd.Context(), id) })
		},
	}
	cmd.Flags().StringVar(&file, "out", "", "`file` to write the secret into")
	return cmd
}

func (a *app) webhooksDeliveries() *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use:     "deliveries ID",
		Short:   "Show the newest attempts to deliver",
		Example: "  rollcall webhooks deliveries 3\n  rollcall webhooks deliveries 3 --limit 1000 -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, c, err := a.webhookOf(args)
			if err != nil {
				return err
			}
			page, err := c.ListDeliveries(cmd.Context(), id, api.ListDeliveriesParams{Limit: &limit})
			if err != nil {
				return err
			}
			return a.show(map[string]any{"deliveries": page.Deliveries}, func(w io.Writer) {
				for _, d := range page.Deliveries {
					writeDelivery(w, d)
				}
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "how many, at most 1000")
	return cmd
}

func (a *app) webhooksReplay() *cobra.Command {
	after := int64(-1)
	cmd := &cobra.Command{
		Use:   "replay ID",
		Short: "Send the events after another one",
		Long: `Makes a webhook go on after another event: the events after it are sent, again if they were
sent before. With the id of an event that its target never takes, that event is passed over.`,
		Example: "  rollcall webhooks replay 3 --after 1041",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := webhookID(args)
			if err != nil {
				return err
			}
			if after < 0 {
				return usageError{errors.New("name the event by --after; 0 is the oldest, if all events are still kept")}
			}
			return a.changedWebhook(cmd.Context(), func(ctx context.Context) (api.Webhook, error) {
				c, err := a.client()
				if err != nil {
					return api.Webhook{}, err
				}
				return c.ReplayWebhook(ctx, id, after)
			})
		},
	}
	cmd.Flags().Int64Var(&after, "after", after, "`id` of the event after which to go on")
	return cmd
}

func (a *app) webhooksDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a webhook and its log",
		Example: "  rollcall webhooks delete 3",
		Args:    cobra.ExactArgs(1),
	}
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, c, err := a.webhookOf(args)
		if err != nil {
			return err
		}
		h, err := c.GetWebhook(cmd.Context(), id)
		if err != nil {
			return err
		}
		if err := a.confirm(fmt.Sprintf("Webhook %d, %q, to %s, will be deleted with its log.", h.ID, h.Name, h.URL), *yes); err != nil {
			return err
		}
		return c.DeleteWebhook(cmd.Context(), id)
	}
	return cmd
}
