// Package backupcli is the commands that back up and restore a system, as receiver and
// standalone have them.
package backupcli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/rollcall-faces/rollcall/apps/internal/archive"
	"github.com/rollcall-faces/rollcall/apps/internal/backup"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// System is how a program finds its database and its folders.
type System struct {
	// Flags adds flags. It may be nil.
	Flags func(*flag.FlagSet)
	// Read reads the settings.
	Read func(*config.Reader)
	// Open opens the database, after Read. create says that it may be a new one.
	Open func(create bool) (*store.Store, error)
	// Folders returns the folders, after Open.
	Folders func() (backup.Folders, error)
	// Lock keeps the program itself from running meanwhile. It may be nil.
	Lock func() (unlock func() error, err error)
}

// Commands returns the commands backup and restore of a program. system returns a new
// System at each call.
func Commands(program string, system func() System) []command.Spec {
	return []command.Spec{takeSpec(program, system()), restoreSpec(program, system())}
}

// take is what the flags of backup ask for.
type take struct {
	system System
	log    config.Log

	to, folder string
	keep       int
	pictures   bool
	recipients []string
	file       string // with recipients
}

func takeSpec(program string, s System) command.Spec {
	t := &take{system: s}
	return command.Spec{
		Name: "backup",
		About: "backup writes the database and the known people to one archive, while everything runs.\n" +
			"The archive is as the system was at one moment. Sessions and samples of charts are left out;\n" +
			"passwords and API keys are in it as hashes. It has names and descriptors of people: encrypt it\n" +
			"by -recipient, whose identity a restore needs (age-keygen makes both), or guard the folder.\n" +
			"The exit code is 0 if the archive is complete; otherwise there is no archive.",
		Example: program + " backup -to rollcall.tar.gz\n  " +
			program + " backup -to-folder /backups -keep 7 -recipients-file recipients.txt\n  " +
			program + " backup verify -from rollcall.tar.gz",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&t.to, "to", "", "`file` of the archive, which must not be there yet; - is the standard output")
			f.StringVar(&t.folder, "to-folder", "", "`folder` of archives that are named by their time; use it in place of -to")
			f.IntVar(&t.keep, "keep", 0, "with -to-folder: the `number` of newest archives to keep there; 0 keeps all")
			f.BoolVar(&t.pictures, "pictures", false, "uploaded pictures, too; without it, the summary says how large they are")
			f.Func("recipient", "encrypt to this age `recipient` (age1…); can be repeated", func(v string) error {
				t.recipients = append(t.recipients, v)
				return nil
			})
			f.StringVar(&t.file, "recipients-file", "", "encrypt to the recipients in this `file`, one a line")
			if s.Flags != nil {
				s.Flags(f)
			}
		},
		Read:     t.read,
		Run:      t.run,
		Commands: []command.Spec{verifySpec(program)},
	}
}

func (t *take) read(r *config.Reader) {
	t.log = config.ReadLog(r)
	t.system.Read(r)
}

// run takes the backup, and notes the time of one to a folder where receivers tell it.
func (t *take) run(ctx context.Context, stdout, stderr io.Writer) error {
	log := logging.New(stderr, "backup", t.log)
	to, err := readRecipients(t.recipients, t.file)
	if err != nil {
		return err
	}
	if (t.to == "") == (t.folder == "") {
		return errors.New("say where to write the archive: -to FILE, or -to-folder FOLDER")
	}
	if t.keep < 0 || t.keep > 0 && t.folder == "" {
		return errors.New("-keep needs -to-folder, and a number that is not negative")
	}
	db, err := t.system.Open(false)
	if err != nil {
		return err
	}
	defer db.Close()
	folders, err := t.system.Folders()
	if err != nil {
		return err
	}
	begin := time.Now()
	if t.folder != "" {
		if err := backup.RemoveAbandoned(t.folder, begin); err != nil {
			log.Warn("what a killed backup has left stays in the folder of archives", "error", err)
		}
	}
	taken, name, size, err := t.write(ctx, db, backup.Options{Folders: folders, Pictures: t.pictures, To: to, Log: log}, stdout, begin)
	if err != nil {
		return err
	}
	t.summary(stdout, taken, name, size, time.Since(begin))
	if t.folder == "" { // nobody takes these regularly, so nobody is to be alerted by their age
		return nil
	}
	if err := db.NoteBackup(ctx, taken.TakenAt); err != nil {
		return fmt.Errorf("the archive is complete, but its time is not stored: %w", err)
	}
	if t.keep == 0 {
		return nil
	}
	deleted, err := backup.Tidy(t.folder, t.keep)
	if err == nil && deleted > 0 {
		log.Info("old archives are deleted", "archives", deleted)
	}
	return err
}

// write writes the archive, and returns its name and size.
func (t *take) write(ctx context.Context, db *store.Store, o backup.Options, stdout io.Writer, now time.Time) (taken backup.Taken, name string, size int64, err error) {
	counted := func(w io.Writer) (err error) {
		c := &counter{to: w}
		taken, err = backup.Take(ctx, db, o, c)
		size = c.n
		return err
	}
	switch {
	case t.to == "-":
		name, err = "standard output", counted(stdout)
	case t.folder != "":
		name, err = backup.WriteToFolder(t.folder, now, len(o.To) > 0, func(w io.Writer) (bool, error) {
			err := counted(w)
			return backup.Empty(taken.End), err
		})
	default:
		name, err = t.to, backup.WriteFile(t.to, counted)
	}
	return taken, name, size, err
}

type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

func (t *take) summary(w io.Writer, taken backup.Taken, name string, size int64, took time.Duration) {
	if t.to == "-" {
		return // the archive is there
	}
	fmt.Fprintf(w, "%s: %s, of %s, in %s\n", name, bytes(size), taken.TakenAt.Format(time.RFC3339), took.Round(100*time.Millisecond))
	describe(w, taken.End)
	if !t.pictures && taken.Uploaded.Files > 0 {
		fmt.Fprintf(w, "without %d uploaded pictures, of at least %s; -pictures takes them, too\n", taken.Uploaded.Files, bytes(taken.Uploaded.Bytes))
	}
	if taken.Left > 0 {
		fmt.Fprintf(w, "without %d files of KNOWN_PEOPLE that cannot be read, are too large, or have a name that cannot be stored\n", taken.Left)
	}
}

// describe prints what an archive has.
func describe(w io.Writer, e archive.End) {
	rows, of := int64(0), map[string]int64{}
	for _, t := range e.Tables {
		rows += t.Rows
		of[t.Name] = t.Rows
	}
	fmt.Fprintf(w, "%d images, %d people, %d rows of %d tables (schema %d), %d files of known people (%s), %d erasures\n",
		of["images"], of["person"], rows, len(e.Tables), e.Schema, e.Files.Known.Files, bytes(e.Files.Known.Bytes), e.Files.Ledger.Files)
	if n := e.Files.Pictures; n.Files > 0 {
		fmt.Fprintf(w, "%d uploaded pictures (%s)\n", n.Files, bytes(n.Bytes))
	}
	if e.Files.Missing > 0 {
		fmt.Fprintf(w, "%d files that rows name were not there\n", e.Files.Missing)
	}
}

// bytes returns a size for people.
func bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	size, i := float64(n)/unit, 0
	for ; size >= unit && i < 4; i++ {
		size /= unit
	}
	return fmt.Sprintf("%.1f %ciB", size, "KMGTP"[i])
}

// from is how an archive is read.
type from struct{ archive, identities string }

func (a *from) flags(f *flag.FlagSet) {
	f.StringVar(&a.archive, "from", "", "`file` of the archive; of a folder that -to-folder names, the newest one")
	f.StringVar(&a.identities, "identity-file", "", "`file` of the age identities that open an encrypted archive")
}

// open opens the archive.
func (a *from) open() (*os.File, []age.Identity, error) {
	if a.archive == "" {
		return nil, nil, errors.New("say which archive: -from FILE")
	}
	as, err := readIdentities(a.identities)
	if err != nil {
		return nil, nil, err
	}
	name, err := backup.Newest(a.archive)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("open the archive: %w", err)
	}
	return f, as, nil
}

func verifySpec(program string) command.Spec {
	var a from
	return command.Spec{
		Name: "verify",
		About: "verify reads an archive to its end, and checks all of it without restoring it.\n" +
			"The exit code is 0 if the archive is whole and undamaged, and this program knows its version,\n" +
			"its tables and its erasures. That somebody has changed the columns of a table shows only in a restore.",
		Example: program + " backup verify -from rollcall.tar.gz",
		Flags:   a.flags,
		Read:    func(*config.Reader) {},
		Run: func(_ context.Context, stdout, _ io.Writer) error {
			f, as, err := a.open()
			if err != nil {
				return err
			}
			defer f.Close()
			head, end, err := backup.Verify(f, as)
			if err != nil {
				return err
			}
			fmt.Fprintf(stdout, "whole and undamaged: of %s, by %s\n", end.TakenAt.Format(time.RFC3339), head.Program)
			describe(stdout, end)
			return nil
		},
	}
}

// restored is what the flags of restore ask for.
type restored struct {
	system  System
	log     config.Log
	from    from
	replace bool
	ledger  string
}

func restoreSpec(program string, s System) command.Spec {
	r := &restored{system: s}
	return command.Spec{
		Name: "restore",
		About: "restore restores an archive into an empty system: no rows in the database, no other files of\n" +
			"known people. Stop all programs first. The archive is checked to its end before anything is\n" +
			"changed. An archive of an older version is migrated. Whoever was erased since the backup stays\n" +
			"erased: the ledger on the volume of known people counts, and the one that -ledger names.\n" +
			"A restore that is interrupted can be begun again; no program starts on the database before.",
		Example: program + " restore -from rollcall.tar.gz\n  " +
			program + " restore -from rollcall.tar.gz.age -identity-file key.txt -ledger erased.json",
		Flags: func(f *flag.FlagSet) {
			r.from.flags(f)
			f.BoolVar(&r.replace, "replace", false, "delete all rows that the database has, and write over files of known people of the same name")
			f.StringVar(&r.ledger, "ledger", "", "`file` of newer erasures, as written by: rollcall erase ledger")
			if s.Flags != nil {
				s.Flags(f)
			}
		},
		Read: func(reader *config.Reader) {
			r.log = config.ReadLog(reader)
			s.Read(reader)
		},
		Run: r.run,
	}
}

func (r *restored) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	f, as, err := r.from.open()
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := readLedger(r.ledger)
	if err != nil {
		return err
	}
	if r.system.Lock != nil {
		unlock, err := r.system.Lock()
		if err != nil {
			return err
		}
		defer func() { _ = unlock() }() // it ends with the program, too
	}
	log := logging.New(stderr, "restore", r.log)
	db, err := r.system.Open(true)
	if err != nil {
		return err
	}
	defer db.Close()
	folders, err := r.system.Folders()
	if err != nil {
		return err
	}
	done, err := backup.Restore(ctx, db, f, backup.RestoreOptions{Folders: folders, Replace: r.replace, As: as, Ledger: entries, Log: log})
	if err != nil {
		return err
	}
	report(stdout, log, done)
	return nil
}

func report(w io.Writer, log *slog.Logger, done backup.Restored) {
	fmt.Fprintf(w, "restored as of %s\n", done.End.TakenAt.Format(time.RFC3339))
	describe(w, done.End)
	fmt.Fprintf(w, "%d files were written, %d were there already\n", done.Files+done.Pictures, done.Same)
	if done.LeftOut > 0 {
		fmt.Fprintf(w, "%d files belong to nobody any more and were left out\n", done.LeftOut)
	}
	if done.Erased > 0 {
		fmt.Fprintf(w, "%d erasures were carried out again; their jobs end when a receiver, or standalone, runs\n", done.Erased)
	}
	if done.Head.Schema < store.SchemaVersion {
		log.Info("the archive was migrated", "from", done.Head.Schema, "to", store.SchemaVersion)
	}
}

// readRecipients reads to whom an archive is encrypted.
func readRecipients(words []string, file string) (list []age.Recipient, err error) {
	if len(words) > 0 {
		if list, err = age.ParseRecipients(strings.NewReader(strings.Join(words, "\n"))); err != nil {
			return nil, fmt.Errorf("-recipient: %w", err)
		}
	}
	if file == "" {
		return list, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("-recipients-file: %w", err)
	}
	defer f.Close()
	more, err := age.ParseRecipients(f)
	if err != nil {
		return nil, fmt.Errorf("-recipients-file: %w", err)
	}
	return append(list, more...), nil
}

// readIdentities reads who can open an archive. Errors have nothing of the file's content.
func readIdentities(file string) ([]age.Identity, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("-identity-file: %w", err)
	}
	defer f.Close()
	as, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("-identity-file: %s has no identities that can be read; age-keygen writes them", file)
	}
	return as, nil
}
