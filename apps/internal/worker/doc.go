// Package worker runs a face engine in a child process, so that a picture that
// hangs, crashes or exhausts the engine costs one process and not the service.
//
// The parent calls Start once for each core and gets an engine.Engine. Each one
// owns one child process and replaces it when it dies. A picture has a budget of
// time and of memory; a child that exceeds it is killed, and that picture alone
// fails for good. The child calls Run.
//
// The usual child is the program itself under a hidden sub-command:
//
//	const workerName = "worker" // as the first argument, it makes the program a child
//
//	func main() {
//		if len(os.Args) > 1 && os.Args[1] == workerName {
//			os.Args = append([]string{workerName}, os.Args[2:]...)
//			command.Main(workerSpec())
//		}
//		command.Main(spec())
//	}
//
//	// workerSpec reads the same settings as the program. Its Run ends when the
//	// parent goes.
//	func workerSpec() command.Spec {
//		var cfg recognizer.Config
//		return command.Spec{
//			Name: workerName,
//			Read: func(r *config.Reader) { cfg = recognizer.ReadConfig(r) },
//			Run: func(context.Context, io.Writer, io.Writer) error {
//				return worker.Run(func() (engine.Engine, error) { return openEngine(cfg) })
//			},
//		}
//	}
//
//	// In the parent, in place of the function that opens an engine:
//	opts := worker.ReadOptions(reader) // while the settings are read
//	opts.Command = worker.Self(workerName, "OPENBLAS_NUM_THREADS=1")
//	opts.Probe = engine.Portrait()
//	opts.Replaced = worker.CountReplaced(registry) // once, for all workers
//	opts.Log = log
//	open := func() (engine.Engine, error) { return worker.Start(ctx, opts) }
//
// Parent and child talk over a socket pair: frames of a length, a kind and a
// sequence number, then the payload (see frame.go). A picture's bytes travel as
// they are; answers are CBOR. The parent takes nothing from a child on trust:
// frames, lists and texts are bounded, and a child that breaks the protocol
// counts as crashed.
//
// The package needs Linux: it reads /proc and has the kernel end a child whose
// parent died.
package worker
