/** The crate's description of its settings: names, help, limits, choices. It is requested once, before it is needed. */
import type { Choice, Setting, SettingGroup } from "../contract";

let known = $state.raw<SettingGroup[]>([]);

export function describe(groups: SettingGroup[]): void {
  known = groups;
}

export function groups(): SettingGroup[] {
  return known;
}

export function settings(): Setting[] {
  return known.flatMap(({ options }) => options);
}

export function settingAt(path: string): Setting | undefined {
  return settings().find((setting) => setting.path === path);
}

/** The words that a setting can be; none, where it is something else. */
export function choicesOf(setting: Setting | undefined): Choice[] {
  return setting && "choices" in setting.kind ? setting.kind.choices : [];
}
