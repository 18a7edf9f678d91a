import type { World } from './world.ts'

/** How much time goes by after an action. */
export function passingMs(world: World): number {
  const { random, lingerMs } = world
  if (lingerMs > 0) {
    world.lingerMs = 0
    return lingerMs
  }
  // What operators ask for takes its time: who is silent is gone after 10 s only.
  if (world.operated && random.chance(0.1)) return random.float() * 8_000
  const lot = random.float()
  if (lot < 0.6) return random.float() * 10
  if (lot < 0.9) return random.float() * 120
  return lot < 0.99 ? random.float() * 700 : random.float() * 7_000
}
