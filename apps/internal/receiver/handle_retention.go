package receiver

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

func (s *Server) getRetention(c *gin.Context) error {
	rules, last, err := s.store.Retention(c.Request.Context())
	if err != nil {
		return err
	}
	body := api.Retention{Declared: s.opts.Retention != nil}
	if body.Declared {
		rules = s.opts.Retention
	}
	body.Rules = mapped(rules, wireRetentionRule)
	if !last.Started.IsZero() {
		body.LastRun = &api.RetentionRun{
			StartedAt: last.Started, FinishedAt: timeOrNull(last.Finished), Images: last.Images, Files: last.Files, Complete: last.Complete,
		}
	}
	c.JSON(http.StatusOK, body)
	return nil
}

func (s *Server) setRetention(c *gin.Context) error {
	dry, err := httpapi.ReadFlag(c, "dry_run")
	if err != nil {
		return err
	}
	var body api.RetentionRules
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	if body.Rules == nil {
		return api.Errorf(api.CodeInvalidRequest, `"rules" is missing; send {"rules":[]} to keep everything`)
	}
	rules := faces.Retention(mapped(body.Rules, readRetentionRule))
	if err := rules.Check(); err != nil {
		return err
	}
	if !dry && s.opts.Retention != nil {
		return api.Errorf(api.CodeConflict, "ROLLCALL_RETENTION declares the rules; change it there, or add dry_run=true to try other rules")
	}
	ctx := c.Request.Context()
	plan, err := s.planRetention(ctx, rules)
	if err != nil {
		return err
	}
	if plan.DryRun = dry; !dry {
		if err := s.store.SetRetention(ctx, rules); err != nil {
			return err
		}
		s.log.Info("retention set", "rules", rules.String(), "images", plan.Images, "request_id", httpapi.RequestID(c))
	}
	c.JSON(http.StatusOK, plan)
	return nil
}

// planRetention counts what rules would delete now.
func (s *Server) planRetention(ctx context.Context, rules faces.Retention) (api.RetentionPlan, error) {
	plan := api.RetentionPlan{Rules: mapped(rules, wireRetentionRule)}
	for after := int64(0); ; {
		list, err := s.store.ExpiredImages(ctx, rules, after, countPart)
		if err != nil || len(list) == 0 {
			return plan, err
		}
		after = list[len(list)-1].ID
		for _, e := range list {
			if plan.Images++; s.uploads.Owns(e.Path) {
				plan.Files++
			}
			if at := e.CreatedAt; plan.Oldest == nil || at.Before(*plan.Oldest) {
				plan.Oldest = &at
			}
			if at := e.CreatedAt; plan.Newest == nil || at.After(*plan.Newest) {
				plan.Newest = &at
			}
		}
	}
}

func readRetentionRule(r api.RetentionRule) faces.RetentionRule {
	rule := faces.RetentionRule{Outcome: string(r.Outcome), Days: r.Days}
	if r.Corrected != nil {
		rule.Corrected = *r.Corrected
	}
	return rule
}

func wireRetentionRule(r faces.RetentionRule) api.RetentionRule {
	return api.RetentionRule{Outcome: api.RetentionOutcome(r.Outcome), Days: r.Days, Corrected: &r.Corrected}
}
