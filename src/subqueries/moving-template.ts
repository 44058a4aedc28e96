/** What moves need of a template that has shapes; `shapes/template-registry.ts` keeps them. */

import type { RelationId, TemplateId } from "../model/ids.ts";
import type { ShapeTemplate } from "../model/shape-definition.ts";
import type { Table } from "../model/table.ts";

export interface MovingTemplate {
  readonly id: TemplateId;
  /** With a `projection` its shapes are views: nobody reads their logs, their rows make values. */
  readonly template: ShapeTemplate;
  readonly relation: { readonly id: RelationId; readonly table: Table };
}

export function isView({ template }: MovingTemplate): boolean {
  return template.projection !== undefined;
}

export interface MovingTemplates {
  /** REQUIRES: `has`. */
  get(id: TemplateId): MovingTemplate;
  /** Whether it has shapes. */
  has(id: TemplateId): boolean;
}
