package browser

import (
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// Choose chooses files of this machine in a field for files.
func (p *Page) Choose(selector string, files ...string) {
	p.t.Helper()
	p.Do(chromedp.SetUploadFiles(chromedp.CSS(selector), files, chromedp.NodeReady))
}

// Drop drops files or folders of this machine on a point of the window.
func (p *Page) Drop(x, y float64, files ...string) {
	p.t.Helper()
	data := &input.DragData{Items: []*input.DragDataItem{}, Files: files, DragOperationsMask: 1}
	for _, event := range []input.DispatchDragEventType{input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop} {
		p.Do(command(input.DispatchDragEvent, input.DispatchDragEventParams{Type: event, X: x, Y: y, Data: data}))
	}
}
