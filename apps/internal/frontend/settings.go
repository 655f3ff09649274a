package frontend

import "github.com/gin-gonic/gin"

// settingsStore is what these pages read of the store.
type settingsStore interface{}

// settingsRoutes adds the pages of settings.
func (s *Server) settingsRoutes(*gin.Engine) {}
